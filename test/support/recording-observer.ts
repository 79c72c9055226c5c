import type { FreshetEvent, Observer } from '../../src/observability/events.ts';

export interface RecordingObserver extends Observer {
  readonly events: FreshetEvent[];
  of<T extends FreshetEvent['type']>(type: T): Extract<FreshetEvent, { type: T }>[];
}

export function createRecordingObserver(): RecordingObserver {
  const events: FreshetEvent[] = [];
  return {
    events,
    emit: (event) => void events.push(event),
    of: <T extends FreshetEvent['type']>(type: T) =>
      events.filter((event): event is Extract<FreshetEvent, { type: T }> => event.type === type),
  };
}
