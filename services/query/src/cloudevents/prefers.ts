/** Whether a request asks for this media type by its name, and for JSON as such no more than that. */
export function prefers(accept: string | undefined, type: string): boolean {
  if (accept === undefined) return false;
  const offers = accept.toLowerCase().split(',').map(offerOf);
  const weightOf = (wanted: string) => Math.max(0, ...offers.filter((each) => each.type === wanted).map(({ q }) => q));
  return weightOf(type) > 0 && weightOf(type) >= weightOf('application/json');
}

function offerOf(text: string): { readonly type: string; readonly q: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const q = weight === undefined ? 1 : Number(weight);
  return { type, q: Number.isNaN(q) ? 0 : q };
}
