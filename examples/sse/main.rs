//! A value in shared memory, live in each browser that looks: its changes as server-sent events.
//!
//! ```sh
//! cargo run --manifest-path examples/sse/Cargo.toml -- 0x1234 127.0.0.1:3000   # then open http://127.0.0.1:3000
//! cargo run --example st_pid -- alice   # changes it, as a program in C can
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, StreamExt};
use shm_core::{ChangeStream, FixedStr, Place, SharedBox, SharedLayout};
use tokio::net::TcpListener;

#[derive(SharedLayout, Clone, Copy, Default, serde::Serialize)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

type Shared = Arc<SharedBox<StPid>>;

const PAGE: &str = r#"<!doctype html>
<title>live</title>
<p id="now">…</p><form><input name="name"><button>set</button></form>
<script>
const changes = new EventSource("changes"), show = text => console.log(now.textContent = text);
changes.onmessage = event => show(`version ${event.lastEventId}: ${event.data}`);
changes.onerror = () => show("no connection, or the segment was removed");
document.forms[0].onsubmit = event => {
    event.preventDefault();
    fetch("/", { method: "POST", body: event.target.elements.name.value });
};
</script>
"#;

/// First the value that stands, then each newer one; a slow browser misses those in between.
async fn changes(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let changes = ChangeStream::new(shared).map(|change| {
        let change = change.map_err(axum::Error::new)?;
        Event::default()
            .id(change.version.to_string())
            .json_data(change.value)
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}

async fn set(State(shared): State<Shared>, name: String) -> Result<String, (StatusCode, String)> {
    let names = FixedStr::new(&name).map_err(shm_core::Error::from);
    let set = names.and_then(|names| shared.update(|value| value.names = names));
    let refused = |error| (StatusCode::BAD_REQUEST, format!("{error}\n"));
    set.map(|version| format!("{version}\n")).map_err(refused)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, address] = &arguments[..] else {
        return Err("usage: sse PLACE ADDRESS:PORT".into());
    };
    let place: Place = place.parse()?;
    let shared = Arc::new(SharedBox::open_or_create(place, StPid::default)?);
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let page = get(async || Html(PAGE)).post(set);
    let pages = Router::new()
        .route("/", page)
        .route("/changes", get(changes));
    Ok(axum::serve(listener, pages.with_state(shared)).await?)
}
