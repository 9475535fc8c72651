// The inbox works without this: it only says that something has changed while the page is open.
const changed = document.getElementById("changed");
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/tasks`;
let wait = 1000;

function watch() {
  const socket = new WebSocket(address);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    wait = 1000;
    if (message.type === "inbox.changed") changed.hidden = false;
  };
  socket.onclose = (event) => {
    if (event.code >= 4400 && event.code < 4500) return;
    wait = Math.min(wait * 2, 60000);
    setTimeout(watch, wait);
  };
}

watch();
