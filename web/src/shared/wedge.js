// Card readers and scanners that type: characters, quickly, then Enter, wherever the focus is.

const PAUSE_MS = 500;
const SHORTEST = 6;
const LONGEST = 512;

export function listenToWedge(scanned) {
  let typed = "";
  let lastAt = 0;

  function keydown(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target instanceof HTMLInputElement) return; // somebody types into a field of the page
    if (event.timeStamp - lastAt > PAUSE_MS) typed = "";
    if (event.key === "Enter") {
      const value = typed.normalize("NFKC").trim();
      typed = "";
      if (value.length >= SHORTEST) {
        // The reader's Enter must not also press whatever button has the focus.
        event.preventDefault();
        event.stopPropagation();
        scanned(value);
      }
      return;
    }
    const character = characterOf(event);
    if (character === null) return;
    if (typed !== "" || character !== " ") event.preventDefault();
    lastAt = event.timeStamp;
    typed = (typed + character).slice(-LONGEST);
  }

  addEventListener("keydown", keydown, { capture: true });
  return () => removeEventListener("keydown", keydown, { capture: true });
}

// A Chinese input method swallows the character and leaves only the key that was pressed.
function characterOf(event) {
  if (event.key.length === 1) return event.key;
  const pressed = /^(?:Digit|Numpad|Key)([0-9A-Z])$/.exec(event.code);
  return event.key === "Process" && pressed ? pressed[1] : null;
}

const CARD = /^\d{14,17}[\dXx]$/;

/** What somebody held to the reader, as the hospital wants to be told. */
export function shownBy(value) {
  return CARD.test(value)
    ? { kind: "id_card", value: value.toUpperCase() }
    : { kind: "booking_code", value };
}
