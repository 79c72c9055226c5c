export type DecodeErrorCode =
  /** Not valid JSON, or JSON beyond a limit (depth, digits). */
  | 'INVALID_JSON'
  /** Bytes that are not UTF-8. */
  | 'INVALID_UTF8'
  /** Nested deeper than any record that was meant to be read. */
  | 'TOO_DEEP'
  /** Well-formed, but none of the records this package knows. */
  | 'UNKNOWN_SHAPE'
  /** A known record with a field that is missing or of the wrong type. */
  | 'INVALID_FIELD'
  /** A value that its schema or its column's declared type does not allow. */
  | 'INVALID_VALUE'
  /** A Connect or Avro schema that cannot be read. */
  | 'INVALID_SCHEMA';

/**
 * The only error that decoding throws. `where` is a path of field names in the record (`value.after.price`). Neither it nor the
 * message ever holds a value of the record: both may go to a log.
 */
export class DebeziumDecodeError extends Error {
  readonly code: DecodeErrorCode;
  readonly where: string;

  constructor(code: DecodeErrorCode, where: string, message: string) {
    super(where === '' ? message : `${message} (at ${where})`);
    this.name = 'DebeziumDecodeError';
    this.code = code;
    this.where = where;
  }
}
