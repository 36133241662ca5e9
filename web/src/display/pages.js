// Long lists turn their pages by themselves; nothing scrolls and nothing overflows.

import { computed, onUnmounted, ref, watch } from "vue";

export const TURN_MS = 8_000;
// A department whose name would tell the illness is not named on a wall.
const UNNAMED = "候诊";

export function cut(items, size) {
  const pages = [];
  for (let start = 0; start < items.length; start += size) pages.push(items.slice(start, start + size));
  return pages;
}

/** Waiting people grouped by room (or department, before a room is known), in blocks of `rows`. */
export function blocksOf(waiting, rows) {
  const groups = new Map();
  for (const person of waiting) {
    const name = person.room || person.department || UNNAMED;
    groups.set(name, [...(groups.get(name) ?? []), person]);
  }
  return [...groups].flatMap(([name, people]) =>
    cut(people, rows).map((block, part) => ({ key: `${name}/${part}`, name, people: block })),
  );
}

export function turning(items, size) {
  const index = ref(0);
  const pages = computed(() => cut(items(), size));
  const timer = setInterval(() => {
    index.value = (index.value + 1) % Math.max(pages.value.length, 1);
  }, TURN_MS);
  onUnmounted(() => clearInterval(timer));
  watch(pages, (now) => {
    index.value = Math.min(index.value, Math.max(now.length - 1, 0));
  });
  return { page: computed(() => pages.value[index.value] ?? []), index, count: computed(() => pages.value.length) };
}
