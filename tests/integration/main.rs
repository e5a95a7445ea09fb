//! Stories told through the real handlers, with real AWS clients, on an embedded
//! DynamoDB. One module for each function.

mod number_api;
