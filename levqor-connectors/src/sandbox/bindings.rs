//! The host's side of the WIT world, generated from `wit/v0.1`. Every import may trap: that is how
//! a call that is not allowed at all (any import during `describe`) ends the guest.

mod generated {
    wasmtime::component::bindgen!({
        path: "wit/v0.1",
        world: "connector",
        imports: {
            "levqor:connector/http.send": async | trappable,
            "levqor:connector/http.send-all": async | trappable,
            "levqor:connector/state.get": async | trappable,
            "levqor:connector/state.put": async | trappable,
            "levqor:connector/state.delete": async | trappable,
            "levqor:connector/secrets.reveal": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

pub(crate) use generated::levqor::connector::{clock, http, log, secrets, state, types};
pub(crate) use generated::{Connector as World, ConnectorPre as WorldPre};
