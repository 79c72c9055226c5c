/** A number of a JSON text that no JavaScript number holds exactly (`0.12345678901234567890`), as it was written. */
export class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * JSON without loss: integers beyond 2^53 become bigint, decimals that a double does not hold become `ExactNumber`, everything else is as
 * JSON.parse gives it. @throws {DebeziumDecodeError} INVALID_JSON, INVALID_UTF8, TOO_DEEP
 */
export function parseJson(_input: string | Uint8Array): JsonValue {
  throw new Error('not yet');
}
