// The phone itself: a title, a clock, screens behind tabs, one look around a second.
import { ask, exact, h, Lost, setPhone, tick } from "/phone/parts.js";

const LOOK_EVERY_MS = 1000;
const WORD_STAYS_MS = 5000;

// screens: [{ name, title, draw(): Element }]; note: what stands beside the phone on a desk.
export function openPhone({ screens, note }) {
  const title = document.body.dataset.title;
  const clock = h("span", { class: "clock", "data-testid": "clock" });
  const down = h("p", { class: "down", role: "alert", hidden: true, "data-testid": "line-down" });
  const word = h("p", { class: "word", role: "status", hidden: true, "data-testid": "word" });
  const place = h("div", { class: "screens", tabindex: "-1" });
  const tabs = screens.map((screen) =>
    h("button", { type: "button", onclick: () => show(screen.name) }, screen.title),
  );
  const body = h(
    "main",
    { class: "phone" },
    h("header", { class: "top" }, h("h1", {}, title), clock),
    down,
    place,
    word,
    h("nav", { class: "tabs", "aria-label": "页面" }, tabs),
  );
  document.body.replaceChildren(h("div", { class: "desk" }, body, beside(note)));

  let current;
  let lastGood;
  let hush;

  function show(name) {
    const index = Math.max(0, screens.findIndex((screen) => screen.name === name));
    tabs.forEach((tab, i) => (i === index ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current")));
    current = screens[index].draw();
    current.classList.add("screen");
    place.replaceChildren(current);
    place.scrollTop = 0;
    word.hidden = true;
    history.replaceState(null, "", `#${screens[index].name}`);
    void look();
  }

  // Never silently stale: either everything on the screen is a second old, or it says that it is not.
  async function look() {
    try {
      const health = await ask("/healthz");
      clock.textContent = `业务时间 ${tick(health.business_time)}`;
      await Promise.all([...place.querySelectorAll(".live")].map((part) => part.look()));
      lastGood = new Date();
      down.hidden = true;
      delete body.dataset.stale;
    } catch (error) {
      const since = lastGood ? `画面停在 ${exact(lastGood)}。` : "";
      down.textContent = error instanceof Lost
        ? `连不上模拟器。${since}请确认 make run 还在运行；恢复后会自动更新。`
        : `模拟器没有正常应答。${since}正在重试。`;
      down.hidden = false;
      body.dataset.stale = "";
    }
  }

  function say(words) {
    clearTimeout(hush);
    word.textContent = words;
    word.hidden = false;
    hush = setTimeout(() => (word.hidden = true), WORD_STAYS_MS);
  }

  setPhone({ look, say, show });
  show(location.hash.slice(1));
  void keepLooking(look);
}

async function keepLooking(look) {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
    if (document.hidden) {
      await new Promise((wake) => document.addEventListener("visibilitychange", wake, { once: true }));
    }
    await look();
  }
}

function beside(note) {
  return h(
    "aside",
    { class: "note", "aria-label": "说明" },
    h("h2", {}, note.title),
    h("ol", {}, note.steps.map((step) => h("li", {}, step))),
    h("p", { class: "muted" }, "这里没有真钱，也没有真人。“幕后”里可以看到平台和医院之间发生了什么，也可以安排故障。"),
  );
}
