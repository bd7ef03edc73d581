/* Keeps the cells of visible tasks up to date: one question for all of them, which costs nothing while nothing changes.
   The pages work without it. */
(function () {
    "use strict";

    const HIDDEN_FACTOR = 10;
    const LONGEST = 60000;

    function start(region) {
        const every = Number(region.dataset.every) || 2000;
        let tag = null;
        let wait = every;
        let timer = null;
        const states = new Map();

        function cells() {
            return document.querySelectorAll("[data-taskcore-task]");
        }

        function keys() {
            return [...new Set([...cells()].map((cell) => cell.dataset.taskcoreTask))];
        }

        function replace(cell, html) {
            // What has the focus stays: a button must not go away under somebody's finger.
            if (cell.contains(document.activeElement) || cell.dataset.taskcoreHtml === html) {
                return;
            }
            cell.dataset.taskcoreHtml = html;
            const made = new DOMParser().parseFromString(html, "text/html");
            cell.replaceChildren(...made.body.childNodes);
        }

        function announce(words) {
            region.textContent = words;
        }

        function show(tasks) {
            const changed = [];
            for (const cell of cells()) {
                const task = tasks[cell.dataset.taskcoreTask];
                const html = task && task.cells[cell.dataset.taskcoreCell];
                if (html !== undefined) {
                    replace(cell, html);
                }
            }
            for (const [key, task] of Object.entries(tasks)) {
                if (states.has(key) && states.get(key) !== task.word) {
                    changed.push(region.dataset.changed.replace("%(task)s", task.title).replace("%(state)s", task.word));
                }
                states.set(key, task.word);
            }
            if (changed.length) {
                announce(changed.slice(0, 5).join(". "));
            }
        }

        async function ask() {
            const wanted = keys();
            if (!wanted.length) {
                return;
            }
            const headers = { Accept: "application/json" };
            if (tag) {
                headers["If-None-Match"] = tag;
            }
            try {
                const answer = await fetch(`${region.dataset.url}?ids=${encodeURIComponent(wanted.join(","))}`, {
                    headers,
                    credentials: "same-origin",
                    cache: "no-store",
                    redirect: "error",
                });
                if (answer.status === 200) {
                    tag = answer.headers.get("ETag");
                    show((await answer.json()).tasks);
                } else if (answer.status !== 304) {
                    throw new Error(String(answer.status));
                }
                wait = every;
            } catch (error) {
                if (wait === every) {
                    announce(region.dataset.lost);
                }
                wait = Math.min(wait * 2, LONGEST);
            }
            plan();
        }

        function plan() {
            clearTimeout(timer);
            timer = setTimeout(ask, document.hidden ? Math.max(wait, every * HIDDEN_FACTOR) : wait);
        }

        document.addEventListener("visibilitychange", function () {
            if (!document.hidden) {
                wait = every;
                clearTimeout(timer);
                ask();
            }
        });
        ask();
    }

    function units(seconds) {
        const hours = Math.floor(seconds / 3600);
        const minutes = Math.floor(seconds / 60) % 60;
        const two = (number) => String(number).padStart(2, "0");
        return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
    }

    function tick() {
        for (const cell of document.querySelectorAll("[data-taskcore-since]")) {
            const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(cell.dataset.taskcoreSince)) / 1000));
            cell.textContent = units(seconds);
        }
    }

    document.addEventListener("DOMContentLoaded", function () {
        const region = document.getElementById("taskcore-live");
        if (region) {
            start(region);
            setInterval(tick, 1000);
        }
    });
})();
