declare const brand: unique symbol;

/** A nominal type: a value that was checked (or minted) where the brand is given, and cannot be confused with a plain `T`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: { readonly [K in Name]: true } };
