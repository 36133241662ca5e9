// Nobody's data stays on a screen its owner has left: a warning, then a clean page.

import { onUnmounted, ref } from "vue";

export const WARN_AFTER_MS = 50_000;
export const WIPE_AFTER_MS = 60_000;
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "touchstart"];

export function idleGuard({ guarded, wipe }) {
  const secondsLeft = ref(null);
  let touchedAt = performance.now();

  function touched() {
    touchedAt = performance.now();
    secondsLeft.value = null;
  }

  function look() {
    if (!guarded()) return touched();
    const idleMs = performance.now() - touchedAt;
    if (idleMs >= WIPE_AFTER_MS) {
      touched();
      wipe();
    } else if (idleMs >= WARN_AFTER_MS) {
      secondsLeft.value = Math.ceil((WIPE_AFTER_MS - idleMs) / 1_000);
    }
    return undefined;
  }

  const timer = setInterval(look, 250);
  for (const sign of SIGNS_OF_LIFE) addEventListener(sign, touched, { capture: true });
  onUnmounted(() => {
    clearInterval(timer);
    for (const sign of SIGNS_OF_LIFE) removeEventListener(sign, touched, { capture: true });
  });
  return { secondsLeft, touched };
}
