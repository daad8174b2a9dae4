// Writes schema.d.ts, the types of every request and answer, from docs/reference/openapi.json: `npm run types`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';

const here = (file) => new URL(file, import.meta.url);
const HEAD = '// Types of every request and answer of `phiz serve`, made from docs/reference/openapi.json by `npm run types`. Do not edit.\n\n';
const tuple = (of, length) => ({ type: 'array', items: of, minItems: length, maxItems: length, prefixItems: Array.from({ length }, () => of) });
const number = { type: 'number' };

/** The text of schema.d.ts. */
export async function schema() {
  const document = JSON.parse(readFileSync(here('../../docs/reference/openapi.json'), 'utf8'));
  for (const methods of Object.values(document.paths)) {
    for (const route of Object.values(methods)) {
      // Types stand under their address, whatever the route calls itself.
      delete route.operationId;
      const raw = route.requestBody?.content?.['application/octet-stream'];
      if (raw) raw.schema = { type: 'string', format: 'binary' };
    }
  }
  // What the document does not say: a box is four numbers, a point two.
  const { box, box_share, landmarks } = document.components.schemas.Face.properties;
  for (const each of [box, box_share]) Object.assign(each, tuple(number, 4));
  Object.assign(landmarks.items, tuple(number, 2));
  const bytes = ts.factory.createTypeReferenceNode(ts.factory.createIdentifier('Blob'));
  const nodes = await openapiTS(document, { transform: (part) => (part.format === 'binary' ? bytes : undefined), emptyObjectsUnknown: true });
  return HEAD + astToString(nodes);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(here('schema.d.ts'), await schema());
