// The board of one zone: connects, keeps the last state, and says how good it is.

import { onUnmounted, reactive } from "vue";
import { hospital, pause } from "../shared/api.js";
import { serverClock } from "../shared/clock.js";
import { clientId, deviceLogin, isStranger } from "../shared/device.js";
import { connectLive } from "../shared/live.js";
import { announcer } from "./announcer.js";

const RETRY_MS = 5_000;
const ENROL_RETRY_MS = 30_000;

export function liveBoard() {
  const board = reactive({
    face: "loading", // loading, failed, unknown_device, shown
    state: null,
    line: "connecting",
    lastGoodAt: null,
    latestCall: null,
    spoken: "",
  });
  const clock = serverClock();
  const api = hospital(deviceLogin());
  const voice = announcer((sentence) => {
    board.spoken = sentence;
  });
  let live = null;
  let closed = false;

  function show(state) {
    clock.hear(state.as_of);
    board.state = state;
    board.face = "shown";
  }

  function hear({ state, event }) {
    if (state) {
      board.latestCall = null;
      show(state);
    }
    if (event?.type === "queue.changed") {
      show(event.d.state);
      const call = event.d.call;
      if (call && voice.announce(call, event.ageMs)) board.latestCall = call;
    }
  }

  function tell({ line, lastGoodAt }) {
    board.line = line;
    board.lastGoodAt = lastGoodAt;
    if (line === "connecting") clock.forget();
    if (line === "offline" && board.state === null) board.face = "failed";
  }

  async function start() {
    while (!closed) {
      try {
        const me = await api.read("/api/kiosk/v1/me");
        live = connectLive({ streams: me.streams, ticket: api.ticket, clientId: clientId(), hear, tell });
        return;
      } catch (error) {
        const stranger = isStranger(error);
        board.face = stranger ? "unknown_device" : "failed";
        await pause((stranger ? ENROL_RETRY_MS : RETRY_MS) * (0.5 + Math.random()));
      }
    }
  }

  start();
  onUnmounted(() => {
    closed = true;
    live?.stop();
  });
  return { board, clock };
}
