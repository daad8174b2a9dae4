// What was done, as the journal tells it, with names in the place of ids where the people are still here.

import { api } from './api';
import { sentence } from './explain';
import type { Operation } from './types';

/** Names by id, of as many people as one page holds. */
export async function names(): Promise<Map<string, string>> {
  const { items } = await api.people({ limit: 500 });
  return new Map(items.map((person) => [person.id, person.name]));
}

export const told = (operation: Operation, named: ReadonlyMap<string, string>): string =>
  sentence(operation.what.replace(/\bp\d+\b/g, (id) => named.get(id) ?? id));
