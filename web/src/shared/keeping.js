// What this screen keeps: who it is and the key that can sign but not be read. One identity for each page.

const DATABASE = "jiuyi";
const STORE = "identity";

/** { deviceId, key, jwk }, or undefined where this page was never enrolled. */
export const keptIdentity = () => inStore("readonly", (store) => store.get(location.pathname));

export const keepIdentity = (identity) =>
  inStore("readwrite", (store) => store.put(identity, location.pathname));

async function inStore(mode, ask) {
  const database = await answered(opening());
  try {
    const transaction = database.transaction(STORE, mode);
    const result = await answered(ask(transaction.objectStore(STORE)));
    await completed(transaction); // before that, leaving the page would undo what was put
    return result;
  } finally {
    database.close();
  }
}

function opening() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return request;
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
}
