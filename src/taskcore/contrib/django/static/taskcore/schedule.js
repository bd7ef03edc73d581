/* The form of a schedule: shows the fields of the chosen trigger, and when it would fire. The form works without it. */
(function () {
    "use strict";

    const FIELDS = ["kind", "expression", "every_count", "every_unit", "anchor", "at", "tz"];

    function start(form, kind) {
        const box = document.getElementById("taskcore-preview");
        let timer = null;
        let asked = 0;

        function choose() {
            for (const part of form.querySelectorAll("fieldset.taskcore-trigger")) {
                part.classList.toggle("taskcore-shown", part.classList.contains(`taskcore-for-${kind.value}`));
            }
        }

        function show(found, isError) {
            box.hidden = false;
            box.classList.toggle("taskcore-impossible", isError);
            box.querySelector(".taskcore-preview-words").textContent = isError ? found.error : found.words;
            const slots = isError ? [] : found.next.length ? found.next : [box.dataset.none];
            box.querySelector(".taskcore-preview-next").replaceChildren(
                ...slots.map(function (slot) {
                    const line = document.createElement("li");
                    line.textContent = slot;
                    return line;
                })
            );
        }

        async function preview() {
            const number = ++asked;
            const query = new URLSearchParams();
            for (const name of FIELDS) {
                const field = form.elements[name];
                if (field && field.value) {
                    query.set(name, field.value);
                }
            }
            const answer = await fetch(`${box.dataset.url}?${query}`, { credentials: "same-origin" });
            const found = await answer.json();
            if (number === asked) {
                show(found, !answer.ok);
            }
        }

        function later() {
            clearTimeout(timer);
            timer = setTimeout(() => preview().catch(() => { box.hidden = true; }), 300);
        }

        function edited(event) {
            if (FIELDS.includes(event.target.name)) {
                if (event.target === kind) {
                    choose();
                }
                later();
            }
        }

        // A list that is set by other means than keys or a pointer tells of a change alone.
        form.addEventListener("input", edited);
        form.addEventListener("change", edited);
        choose();
        later();
    }

    document.addEventListener("DOMContentLoaded", function () {
        const kind = document.querySelector("select[name=kind]");
        if (kind && document.getElementById("taskcore-preview")) {
            document.body.classList.add("taskcore-scripted");
            start(kind.form, kind);
        }
    });
})();
