// Nobody's data stays on a screen its owner has left: a warning, then a clean page.

import { onUnmounted, ref } from "vue";

export const WARN_AFTER_MS = 50_000;
export const WIPE_AFTER_MS = 60_000;
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "touchstart"];

/** wipe() when somebody left her pages open; rest() when nobody has come for as long. */
export function idleGuard({ guarded, wipe, rest }) {
  const secondsLeft = ref(null);
  let touchedAt = performance.now();

  function touched() {
    touchedAt = performance.now();
    secondsLeft.value = null;
  }

  // Once warned, she answers the question itself: a dialog that vanished under the finger would
  // leave the finger on whatever stands beneath.
  function lives() {
    if (secondsLeft.value === null) touched();
  }

  function look() {
    const idleMs = performance.now() - touchedAt;
    if (idleMs >= WIPE_AFTER_MS) {
      touched();
      if (guarded()) wipe();
      else rest();
    } else {
      const warned = idleMs >= WARN_AFTER_MS && guarded();
      secondsLeft.value = warned ? Math.ceil((WIPE_AFTER_MS - idleMs) / 1_000) : null;
    }
  }

  const timer = setInterval(look, 250);
  for (const sign of SIGNS_OF_LIFE) addEventListener(sign, lives, { capture: true });
  onUnmounted(() => {
    clearInterval(timer);
    for (const sign of SIGNS_OF_LIFE) removeEventListener(sign, lives, { capture: true });
  });
  return { secondsLeft, touched };
}
