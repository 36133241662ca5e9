// What the hall hears: each call and each repeat once, one after the other, never a late one.

const SENTENCE_MS = 4_000;
const REMEMBERED = 256;

export function announcer(speak) {
  const spoken = new Set();
  const queue = [];
  let busy = false;

  function next() {
    const call = queue.shift();
    if (call === undefined) {
      busy = false;
    } else if (performance.now() > call.until) {
      next();
    } else {
      busy = true;
      speak(call.sentence);
      setTimeout(next, SENTENCE_MS);
    }
  }

  return {
    /** Says whether the call is new and timely, so that the eye is led by the same rule as the ear. */
    announce(call, ageMs) {
      const name = `${call.call_id}/${call.repeat_no}`;
      const leftMs = call.ttl_s * 1_000 - ageMs;
      if (spoken.has(name) || !(leftMs > 0)) return false;
      spoken.add(name);
      if (spoken.size > REMEMBERED) spoken.delete(spoken.values().next().value);
      queue.push({ sentence: sentenceFor(call), until: performance.now() + leftMs });
      if (!busy) next();
      return true;
    },
  };
}

// The number alone is called out: half a name read aloud helps nobody and tells the hall too much.
export const sentenceFor = (call) => `请 ${call.number} 号，到 ${call.room} 就诊。`;
