// What pages say, in the reader's language.

const LANGUAGES = ["zh", "en"];
const KEPT_AS = "lifecircle.language";

/** "zh" or "en": of the address (?lang=), else as chosen before, else as the browser prefers. */
export const language = chosen();

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

/**
 * A function that tells a word by its key: `words` is {en: {…}, zh: {…}} with the same keys. `{name}` in a text is
 * replaced by the value of that name. An unknown key is a mistake of ours, and throws.
 */
export function translator(words) {
  const own = words[language];
  return (key, values = {}) => {
    const text = own[key];
    if (text === undefined) throw new Error(`there is no word ${key} in ${language}`);
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  };
}

/** Whether a translator has a word for a key, such as a code that may be new. */
export function knows(words, key) {
  return words[language][key] !== undefined;
}

/** The name of the other language, in that language, and how to change to it. */
export function otherLanguage() {
  const other = language === "zh" ? "en" : "zh";
  return {
    code: other,
    name: other === "zh" ? "中文" : "English",
    choose() {
      try {
        localStorage.setItem(KEPT_AS, other);
      } catch { /* a browser that keeps nothing is told each time */ }
      const url = new URL(location.href);
      url.searchParams.set("lang", other);
      location.assign(url);
    },
  };
}

function chosen() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (LANGUAGES.includes(asked)) return asked;
  try {
    const kept = localStorage.getItem(KEPT_AS);
    if (LANGUAGES.includes(kept)) return kept;
  } catch { /* likewise */ }
  for (const wanted of navigator.languages ?? []) {
    const short = wanted.toLowerCase().split("-")[0];
    if (LANGUAGES.includes(short)) return short;
  }
  return "en";
}
