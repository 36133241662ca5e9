// The server's time on this screen, and times as people say them.

const ZONE = "Asia/Shanghai";
const DAY_MS = 86_400_000;

// Device clocks drift and are stepped; the monotonic clock is not. What the server says can only
// arrive late, so the furthest-ahead reading is the truest one.
export function serverClock() {
  let offset = null;
  return {
    hear(iso) {
      const reading = Date.parse(iso) - performance.now();
      if (!Number.isNaN(reading)) offset = offset === null ? reading : Math.max(offset, reading);
    },
    forget() {
      offset = null;
    },
    now() {
      return offset === null ? Date.now() : offset + performance.now();
    },
  };
}

const parts = (options) => new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, ...options });
const minute = parts({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const second = parts({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const date = parts({ month: "long", day: "numeric" });
const weekday = parts({ weekday: "short" });
const dayKey = parts({ year: "numeric", month: "2-digit", day: "2-digit" });

export const clockMinute = (at) => minute.format(at);
export const clockSecond = (at) => second.format(at);
export const calendarDay = (at) => `${date.format(at)} ${weekday.format(at)}`;

export function daySaid(at, now) {
  const names = [["今天", 0], ["明天", DAY_MS], ["昨天", -DAY_MS]];
  const near = names.find(([, shift]) => dayKey.format(at) === dayKey.format(now + shift));
  return near ? near[0] : date.format(at);
}

// "今天 10:00–10:30"
export function spanSaid(startsAt, endsAt, now) {
  const from = Date.parse(startsAt);
  const start = `${daySaid(from, now)} ${clockMinute(from)}`;
  return endsAt ? `${start}–${clockMinute(Date.parse(endsAt))}` : start;
}
