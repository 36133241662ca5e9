// One stream's place in its history: which event is next, what is a repeat, where a hole opened.

export function follow(name) {
  let epoch = null;
  let last = null; // the last event or snapshot taken
  let head = null; // how far the server was when it welcomed us
  let acked = null;
  let waiting = true; // for a welcome, or for the snapshot it promised
  let resyncing = false;

  return {
    resumeFrom() {
      return last === null ? { s: name } : { s: name, epoch, after: last };
    },

    welcome(offer) {
      // Another epoch is another history (a restored backup): our place in the old one means nothing.
      if (offer.epoch !== epoch || offer.mode === "snapshot") last = null;
      epoch = offer.epoch;
      head = offer.head;
      waiting = offer.mode === "snapshot";
      if (!waiting && last === null) last = head;
      resyncing = false;
    },

    snap(frame) {
      if (frame.epoch === epoch && last !== null && frame.q < last) return false;
      epoch = frame.epoch;
      last = frame.q;
      waiting = false;
      resyncing = false;
      return true;
    },

    event(frame) {
      if (waiting) return "early";
      if (last !== null && frame.q <= last) return "repeat";
      if (last === null || frame.q === last + 1) {
        last = frame.q;
        resyncing = false;
        return "next";
      }
      // Every frame behind the hole would open it again; one request is enough.
      return resyncing ? "early" : "hole";
    },

    resync() {
      resyncing = true;
      return { t: "resync", s: name, after: last };
    },

    gap(frame) {
      epoch = frame.epoch;
      last = null;
      waiting = true;
    },

    ack() {
      if (last === null || last === acked) return null;
      acked = last;
      return { t: "ack", s: name, q: last };
    },

    hangUp() {
      waiting = true;
      acked = null;
    },

    isReady() {
      return !waiting && !resyncing && last !== null && (head === null || last >= head);
    },
  };
}
