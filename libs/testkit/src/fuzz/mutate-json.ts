import { extremeNumbers, type Material, mutateBytes } from './mutate-bytes.ts';

/**
 * A place in JSON text, as the parts of the text around it. JSON is changed as text, because a parsed value has no `1e400`, no key twice
 * and no `__proto__`.
 */
interface Place {
  readonly start: number;
  readonly end: number;
}

const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{}]/gs;

/** The values in a text, keys among them: strings, numbers, names, objects and lists. */
function placesOf(text: string): Place[] {
  const places: Place[] = [];
  const open: number[] = [];
  for (const { 0: token, index } of text.matchAll(tokens)) {
    const end = index + token.length;
    if (token === '{' || token === '[') open.push(index);
    else if (token !== '}' && token !== ']') places.push({ start: index, end });
    else {
      const start = open.pop();
      if (start !== undefined) places.push({ start, end });
    }
  }
  return places;
}

/** JSON text with one to three values replaced: by a value of another kind or at a limit, or by one of another text. */
export function mutateJson(bytes: Buffer, material: Material): Buffer {
  const { random, others, words, maxBytes } = material;
  let text = bytes.toString();
  for (let count = 1 + random.below(3); count > 0; count--) {
    const places = placesOf(text);
    if (places.length === 0) return mutateBytes(bytes, material);
    const { start, end } = random.of(places);
    const value = text.slice(start, end);
    text = text.slice(0, start) + replacement(value) + text.slice(end);
  }
  return Buffer.from(text).subarray(0, maxBytes);

  function replacement(value: string): string {
    switch (random.below(8)) {
      case 0:
        return random.of(extremeNumbers);
      case 1:
        return random.of(['null', 'true', '""', '[]', '{}', '{"__proto__":{"polluted":true}}', '[[[[[[[[]]]]]]]]']);
      case 2:
        return JSON.stringify(random.of(words.length > 0 ? words : ['']));
      case 3:
        return `[${Array.from({ length: 1 + random.below(100) }, () => value).join(',')}]`;
      case 4: {
        // Text that is longer, by one character or far.
        const inner = value.startsWith('"') ? value.slice(1, -1) : value.replaceAll(/["\\]/g, '');
        return `"${inner}${random.of(['a', ' ', '\\n', '\\r', '\\u2028', '\\ud800', '\\u0000', 'é']).repeat(random.of([1, 1, 1, 64, 4096]))}"`;
      }
      case 5:
        return value.startsWith('{') ? `{"extra":1,${value.slice(1)}` : value;
      case 6: {
        const other = random.of(others).toString();
        const { start: from, end: to } = random.of([...placesOf(other), { start: 0, end: other.length }]);
        return other.slice(from, to);
      }
      default:
        return value.startsWith('"')
          ? JSON.stringify(mutateBytes(Buffer.from(value.slice(1, -1)), { ...material, maxBytes: 5000 }).toString())
          : `-${value}`;
    }
  }
}
