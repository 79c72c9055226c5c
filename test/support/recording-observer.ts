import type { FreshetEvent, Observer } from '../../src/observability/events.ts';

/** The member of the union that has this type among its own. */
type EventOf<T> = FreshetEvent extends infer E
  ? E extends { readonly type: infer U }
    ? T extends U
      ? E
      : never
    : never
  : never;

export interface RecordingObserver extends Observer {
  readonly events: FreshetEvent[];
  of<T extends FreshetEvent['type']>(type: T): EventOf<T>[];
}

export function createRecordingObserver(): RecordingObserver {
  const events: FreshetEvent[] = [];
  return {
    events,
    emit: (event) => void events.push(event),
    of: <T extends FreshetEvent['type']>(type: T) => events.filter((event) => event.type === type) as EventOf<T>[],
  };
}
