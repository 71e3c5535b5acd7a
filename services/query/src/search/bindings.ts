/** Gives a value its place among the parameters of a statement. */
export type Bind = (value: unknown) => string;

export function bindings(): { readonly bind: Bind; readonly values: readonly unknown[] } {
  const values: unknown[] = [];
  return { bind: (value) => `$${values.push(value)}`, values };
}
