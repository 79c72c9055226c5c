/** The types of a Kafka Connect schema (org.apache.kafka.connect.data.Schema.Type), as the JSON converter writes them. */
export type ConnectType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float'
  | 'float32'
  | 'double'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct';

/** A Kafka Connect schema. `name` carries the logical type (`io.debezium.time.MicroTimestamp`), `parameters` what it needs (`scale`). */
export interface ConnectSchema {
  readonly type: ConnectType;
  readonly optional?: boolean | undefined;
  readonly name?: string | undefined;
  readonly version?: number | undefined;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  /** Fields of a struct, in order. */
  readonly fields?: readonly ConnectField[] | undefined;
  /** Element of an array; key and value of a map. */
  readonly items?: ConnectSchema | undefined;
  readonly keys?: ConnectSchema | undefined;
  readonly values?: ConnectSchema | undefined;
}

export interface ConnectField extends ConnectSchema {
  readonly field: string;
}
