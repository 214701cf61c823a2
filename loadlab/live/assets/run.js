// Follows the runs of this page, one or two, by the events that its process sends.

import { Dashboard } from "./dashboard.js";
import { element, roughly } from "./elements.js";
import { Plots } from "./plots.js";

const PAUSE = 30_000; // milliseconds between two announcements to a screen reader
const STATES = {
  awaited: ["about to begin", ""],
  preparing: ["preparing", ""],
  running: ["running", ""],
  complete: ["complete", ""],
  stopped: ["stopped", "Continue with:"],
  failed: ["failed", "Fix that, and continue with:"],
  interrupted: ["interrupted", "Its lab was killed. Continue with:"],
  unreadable: ["cannot be read", ""],
  incomplete: ["incomplete", "Trials are missing. Continue with:"],
};
const LOST = "The process behind this page does not answer. It is asked again every few seconds.";
const FAREWELL = "The command that showed this page has ended, and the page's process with it. loadlab live shows the run again.";

class Run {
  constructor(article) {
    this.article = article;
    this.name = article.dataset.run;
    this.field = (name) => article.querySelector(`[data-field="${name}"]`);
    this.dashboard = new Dashboard(article);
    this.plots = new Plots(article);
    this.position = "";
    this.spokenAt = 0;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.rest() : this.follow()));
    this.follow();
  }

  // A page in the background asks for nothing; it goes on from where it was when it comes to the front again.

  rest() {
    this.source?.close();
    this.source = undefined;
  }

  follow() {
    if (this.source) return;
    const after = this.position ? `?after=${encodeURIComponent(this.position)}` : "";
    this.source = new EventSource(`/runs/${encodeURIComponent(this.name)}/events${after}`);
    this.hear("overview", (overview) => this.showOverview(overview));
    this.hear("dashboard", (dashboard) => this.showDashboard(dashboard));
    this.hear("points", (points) => {
      this.plots.take(points);
      this.markEarlier();
    });
    this.source.addEventListener("farewell", () => this.bid());
    this.source.addEventListener("open", () => this.say("message", ""));
    this.source.addEventListener("error", () => this.lost());
  }

  hear(kind, show) {
    this.source.addEventListener(kind, (event) => {
      this.position = event.lastEventId;
      show(JSON.parse(event.data));
    });
  }

  bid() {
    this.say("message", FAREWELL);
    this.speak(FAREWELL, 0);
  }

  lost() {
    if (this.field("message").textContent !== FAREWELL) this.say("message", LOST);
    // A browser gives up after some answers, such as that of a page that asks for a token now.
    if (this.source?.readyState === EventSource.CLOSED) {
      this.rest();
      setTimeout(() => document.hidden || this.follow(), 5000);
    }
  }

  say(field, text) {
    const place = this.field(field);
    place.textContent = text;
    place.hidden = text === "";
  }

  // Of several things to say before the time has come, only the last is said.

  speak(text, pause) {
    clearTimeout(this.waiting);
    const wait = Math.max(0, this.spokenAt + pause - Date.now());
    this.waiting = setTimeout(() => {
      this.spokenAt = Date.now();
      this.field("spoken").textContent = text;
    }, wait);
  }

  showOverview(overview) {
    const [word, advice] = STATES[overview.state];
    const before = this.article.dataset.state;
    this.article.dataset.state = overview.state;
    this.field("state").textContent = word;
    this.field("doing").textContent = overview.doing || [overview.reason, advice, overview.resume].filter(Boolean).join(" ");
    if (!("total" in overview)) return; // there is nothing more to say of a run that is not there, or cannot be read
    this.overview = overview;
    this.field("verdicts").textContent = overview.state === "complete" ? "The verdict" : "The verdict so far";
    this.showProgress(overview);
    this.showTrial(overview);
    this.dashboard.showRecorded(overview);
    this.showNotices(overview.notices);
    this.showReports(overview.reports);
    if (before !== overview.state) this.speak(`${word}: ${overview.done} of ${overview.total} trials`, 0);
    if (document.querySelectorAll(".run-view").length === 1) {
      document.title = `${overview.done} of ${overview.total} · ${this.name} · loadlab live`;
    }
  }

  showProgress({ done, total, remaining_seconds: left }) {
    const bar = this.article.querySelector(".progress");
    bar.setAttribute("aria-valuemax", String(total));
    bar.setAttribute("aria-valuenow", String(done));
    bar.firstElementChild.style.width = `${(done / total) * 100}%`;
    this.field("counts").textContent = `${done} of ${total} trials`;
    this.field("remaining").textContent = left === null ? "" : `${roughly(left)} left`;
  }

  showTrial({ trial }) {
    if (!trial) return;
    this.field("trial").textContent = `Trial ${trial.number}: ${trial.label}`;
    this.plots.limit(trial.usable);
    this.markEarlier();
  }

  // Until a trial's first look comes in, the charts are those of the trial before it, and are said to be.

  markEarlier() {
    const trial = this.overview?.trial;
    if (!trial) return;
    const earlier = trial.running && this.plots.trial() !== trial.order;
    const note = earlier ? " (starting; the charts are of the one before)" : trial.running ? "" : " (ended)";
    this.field("case").textContent = trial.id + note;
    this.plots.fade(earlier);
  }

  showDashboard(dashboard) {
    const before = this.verdict;
    this.verdict = dashboard.opinions.map((one) => `${one.mode.title}: ${one.setting}`).join("; ");
    this.dashboard.show(dashboard);
    if (this.overview) this.dashboard.showRecorded(this.overview);
    if (before !== undefined && before !== this.verdict) this.speak(`The verdict is now: ${this.verdict}`, PAUSE);
    this.showQuiet();
  }

  showNotices(notices) {
    this.field("notices").replaceChildren(...notices.map((text) => element("li", { text })));
    this.showQuiet();
  }

  showQuiet() {
    const loud = ["broken", "failures", "notices"].some((name) => this.field(name).childElementCount);
    this.field("quiet").hidden = loud || !this.field("caveats").hidden;
  }

  showReports(files) {
    const place = this.field("reports");
    place.hidden = files.length === 0;
    const links = files.map((file) => element("a", { text: file, href: `/runs/${encodeURIComponent(this.name)}/${file}` }));
    place.replaceChildren("Reports: ", ...links.flatMap((link, i) => (i ? [" · ", link] : [link])));
  }
}

document.documentElement.classList.add("js");
for (const article of document.querySelectorAll(".run-view")) new Run(article);
