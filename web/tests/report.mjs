// What held and what did not.
export class Report {
  #held = 0;
  #failed = [];
  #began = Date.now();

  holds(what, yes, why = '') {
    if (yes) { this.#held += 1; console.log(`ok    ${what}`); return true; }
    this.#failed.push(what);
    console.log(`FAIL  ${what}`);
    if (why) console.log(String(why).trim().split('\n').map((line) => `      ${line}`).join('\n'));
    return false;
  }
  equal(what, found, expected) { return this.holds(what, JSON.stringify(found) === JSON.stringify(expected), `found    ${JSON.stringify(found)}\nexpected ${JSON.stringify(expected)}`); }
  note(what) { console.log(`      ${what}`); }
  end() {
    const seconds = ((Date.now() - this.#began) / 1000).toFixed(0);
    console.log(`page: ${this.#held} passed, ${this.#failed.length} failed in ${seconds} s`);
    return this.#failed.length === 0 ? 0 : 1;
  }
}
