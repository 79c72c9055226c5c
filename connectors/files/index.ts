export { createFilesSource, type FilesSource } from './files-source.ts';
export type { FilesSourceOptions } from './options.ts';
