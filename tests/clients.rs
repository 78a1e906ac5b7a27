//! The clients that people use, by plain HTTP and through tunnels. What they need is installed by
//! `make clients`.

mod apt;
mod curl;
mod dnf;
mod requests;
mod scene;
mod wget;
