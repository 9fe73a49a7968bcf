//! What the admin accepts, before anything is decrypted or written.

pub(crate) mod acceptances;
pub(crate) mod allowed;
pub(crate) mod answer_access;
pub(crate) mod ask;
pub(crate) mod read_access;
pub(crate) mod recipients;
pub(crate) mod refused;
pub(crate) mod removing;
pub(crate) mod returning;
mod ticket;

pub(crate) use ask::Tickets;
pub(crate) use ticket::{Removal, StagedTicket, Ticket, place_all};
