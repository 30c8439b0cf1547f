// Imported before a party's own code (`node --import`): its wall clock is as far off as its parent says over the channel between
// them. Timers go on as they are, as they would if somebody set the machine's clock.
const RealDate = Date;
let skewMs = 0;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: [number?], as) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, as) as Date,
  get: (target, name, self) =>
    name === "now" ? now : (Reflect.get(target, name, self) as unknown),
});

function now(): number {
  return RealDate.now() + skewMs;
}

process.on("message", (told: { skewMs?: number }) => {
  if (typeof told.skewMs === "number") skewMs = told.skewMs;
});
