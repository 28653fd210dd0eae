//! Write a Levqor connector: one typed source file, tested natively, run as a WASM component.
//!
//! A connector is a list of actions. An action is a function from a typed input to a typed output;
//! documents call it as `connector/action`. The engine makes sure that it is retried when that may
//! help, is not repeated when that may harm, and is paid for when it worked. The sandbox makes sure
//! that it reaches only the hosts it names, and that it never sees a secret.
//!
//! What this crate is *not*: an HTTP client (the host sends requests, after checking them), a
//! runtime (calls are plain functions; [`Ctx::send_all`] is for requests at the same time), or a
//! place to keep data ([`Ctx::state`] is for cursors).
//!
//! # A connector, whole
//!
//! ```
//! use levqor_plugin_sdk::prelude::*;
//!
//! export_connector!(connector);
//!
//! pub fn connector() -> Connector {
//!     Connector::new("shop", env!("CARGO_PKG_VERSION"))
//!         .description("Orders of a shop")
//!         .host("api.shop.example")
//!         .credential(Credential::api_key("api_key").required())
//!         .action(Action::new("get_order", get_order).title("Read an order").safe().price(0))
//!         .action(Action::new("refund", refund).title("Pay an order back").keyed().price(5))
//! }
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct OrderId {
//!     /// As printed on the receipt: `A-1042`
//!     id: String,
//! }
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Order {
//!     id: String,
//!     cents: u64,
//!     refunded: bool,
//! }
//!
//! fn get_order(ctx: &Ctx, input: OrderId) -> Result<Order> {
//!     ctx.get("https://api.shop.example/order").query("id", input.id).bearer("api_key").send()?.json()
//! }
//!
//! fn refund(ctx: &Ctx, input: OrderId) -> Result<Order> {
//!     let request = ctx.post("https://api.shop.example/refund").idempotency_key("Idempotency-Key");
//!     let response = request.bearer("api_key").json(&json!({ "order": input.id })).send_any()?;
//!     match response.status {
//!         409 => Err(TaskError::conflict("it was paid back before").code("already_refunded")),
//!         _ => response.error_for_status()?.json(),
//!     }
//! }
//! # use levqor_plugin_sdk::testing::{Harness, get, post};
//! # let harness = Harness::new(connector()).secret("api_key", "sk-for-tests");
//! # let order = json!({ "id": "A-1042", "cents": 1999, "refunded": false });
//! # harness.mock(get("https://api.shop.example/order?id=A-1042").json(order.clone()));
//! # assert_eq!(harness.run("get_order", json!({ "id": "A-1042" })).output(), order);
//! # harness.mock(post("https://api.shop.example/refund").reply(409));
//! # harness.run("refund", json!({ "id": "A-1042" })).expect_error("conflict", "already_refunded");
//! # harness.mock(post("https://api.shop.example/refund").reset());
//! # harness.run("refund", json!({ "id": "A-1042" })).expect_error("transient", "no_answer");
//! ```
//!
//! The manifest is made from this: names, prices, hosts, and a JSON Schema of each input and
//! output. The schemas check documents before they run, make the console's forms, and are what a
//! language model reads, so comments on fields are worth a sentence. `deny_unknown_fields` lets a
//! misspelt field be found at once.
//!
//! # Test it
//!
//! [`testing::Harness`] runs actions against mocked answers in a plain `cargo test`, and holds them
//! to what a host enforces: no other host, no secret in sight, an output that fits its schema.
//!
//! ```
//! use levqor_plugin_sdk::prelude::*;
//! use levqor_plugin_sdk::testing::{Harness, get};
//! # fn connector() -> Connector {
//! #     fn ping(ctx: &Ctx, _: Value) -> Result<Value> {
//! #         ctx.get("https://api.shop.example/ping").bearer("api_key").send()?.json()
//! #     }
//! #     Connector::new("shop", "1.0.0").host("api.shop.example")
//! #         .credential(Credential::api_key("api_key")).action(Action::new("ping", ping).safe())
//! # }
//!
//! let harness = Harness::new(connector()).secret("api_key", "sk-for-tests");
//! harness.mock(get("https://api.shop.example/ping").reply(429).header("retry-after", "3"));
//! harness.run("ping", json!({})).expect_rate_limited(3_000);
//! ```
//!
//! # Build it
//!
//! `levqor plugin new shop` writes a crate like the one above, `levqor plugin build` makes the
//! component. It is plain cargo:
//!
//! ```text
//! rustup target add wasm32-wasip2
//! cargo build --release --target wasm32-wasip2
//! ```
//!
//! with `crate-type = ["cdylib"]`. One toolchain makes the same bytes in every directory when the
//! sources of dependencies have the same names everywhere: set
//! `RUSTFLAGS="--remap-path-prefix=$CARGO_HOME/registry/src=/cargo"`.
//!
//! # What an error means
//!
//! The variant of a [`TaskError`] is the decision; its text is for people, its code for documents.
//! [`HttpRequest::send`] makes it from the answer, so most actions need no more than `?`.
//!
//! | variant | made from | what the engine does |
//! |---|---|---|
//! | [`InvalidInput`](TaskError::InvalidInput) | other 4xx, an input that does not fit | fails the step |
//! | [`Auth`](TaskError::Auth) | 401, 403, a credential that is absent | fails the step, the credential is marked |
//! | [`NotFound`](TaskError::NotFound) | 404, 410 | fails the step |
//! | [`Conflict`](TaskError::Conflict) | 409 | fails the step |
//! | [`RateLimited`](TaskError::RateLimited) | 429, a 503 with Retry-After | waits as long as asked, tries again |
//! | [`Transient`](TaskError::Transient) | 408, 425, 5xx, no connection | tries again as the step's policy says |
//! | [`Permanent`](TaskError::Permanent) | what is not allowed or not understood | fails the step |
//! | [`Ambiguous`](TaskError::Ambiguous) | sent, but no whole answer came | asks a person |
//!
//! # May it be repeated?
//!
//! Every action says so, and the default is no. [`Action::safe`] is for reads and for writes that
//! set the same thing again; [`Action::keyed`] for vendors that refuse to do it twice for one
//! [`Ctx::idempotency_key`]. With either, and with any GET, not knowing is a reason to try again
//! instead of asking a person.
//!
//! # Secrets
//!
//! A connector has names of credentials, never values: `bearer("api_key")` asks the host to fill
//! one in, which it does only for hosts that the credential is meant for. [`Auth`] lists the places
//! it can go to, a signature over the body among them. [`Ctx::reveal`] is the exception, for
//! protocols that sign in ways of their own, and needs a grant of its own.

mod backend;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[allow(unsafe_code, missing_docs, unreachable_pub, missing_debug_implementations, clippy::all,
    clippy::allow_attributes, clippy::allow_attributes_without_reason, clippy::panic,
    clippy::unwrap_used, reason = "generated by wit-bindgen, committed as it is")]
pub mod bindings;
mod connector;
mod credential;
mod ctx;
mod error;
pub mod http;
mod manifest;
pub mod prelude;
mod request;
mod response;
mod schema;
mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use connector::{Action, Connector};
pub use credential::Credential;
pub use ctx::{Ctx, Level};
pub use error::{Failure, RateLimit, Result, TaskError};
pub use http::{Auth, HttpError, Method};
pub use manifest::{ABI, Idempotency, Manifest};
pub use request::HttpRequest;
pub use response::Response;
pub use schema::{input_schema, output_schema, parse};
pub use state::{State, StateError};

/// What [`export_connector!`] calls; not for anyone else.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod rt {
    use crate::Connector;
    use crate::bindings::{TaskContext, TaskError, TaskOutput};

    pub use crate::bindings::Guest;

    /// Runs one action for the component's export.
    ///
    /// # Errors
    /// The action's.
    pub fn run_task(
        connector: &Connector,
        action: &str,
        input: &str,
        ctx: TaskContext,
    ) -> Result<TaskOutput, TaskError> {
        crate::backend::run_task(connector, action, input, ctx)
    }
}

/// Makes the component's exports from a function that returns the [`Connector`]. Once per crate;
/// nothing at all in native builds.
#[macro_export]
macro_rules! export_connector {
    ($connector:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::Guest for Exported {
                fn describe() -> ::std::string::String {
                    $connector().manifest().to_json()
                }
                fn run_task(
                    action: ::std::string::String,
                    input: ::std::string::String,
                    ctx: $crate::bindings::TaskContext,
                ) -> ::core::result::Result<
                    $crate::bindings::TaskOutput,
                    $crate::bindings::TaskError,
                > {
                    $crate::rt::run_task(&$connector(), &action, &input, ctx)
                }
            }
            $crate::bindings::export_component!(Exported with_types_in $crate::bindings);
        };
    };
}
