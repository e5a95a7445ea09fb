//! Routes of the HTTP API, spelled as in the template.

use http::Method;

/// A route as API Gateway writes it, such as `POST /calls/resolve`. A parameter in braces
/// matches all of the path between what stands before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route(&'static str);

impl Route {
    pub(crate) const fn new(key: &'static str) -> Self {
        Self(key)
    }

    /// The route as API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether a request with this method and raw path takes this route.
    pub fn matches(self, method: &Method, path: &str) -> bool {
        let has_parameter = self.path().contains('{');
        let fits = if has_parameter { self.parameter(path).is_some() } else { path == self.path() };
        fits && self.0.split(' ').next() == Some(method.as_str())
    }

    pub(crate) fn path(self) -> &'static str {
        self.0.split_once(' ').map_or(self.0, |(_, path)| path)
    }

    /// The value of the parameter in a path that matches.
    pub(crate) fn parameter(self, path: &str) -> Option<&str> {
        let (before, rest) = self.path().split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        path.strip_prefix(before)?.strip_suffix(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_one_method_and_one_path() {
        let route = Route::new("POST /calls/resolve");
        assert!(route.matches(&Method::POST, "/calls/resolve"));
        assert!(!route.matches(&Method::GET, "/calls/resolve"));
        for path in ["/calls/resolve/", "/calls/resolve2", "/calls/", "/", ""] {
            assert!(!route.matches(&Method::POST, path), "{path}");
        }
    }

    #[test]
    fn a_parameter_may_stand_in_the_middle() {
        let route = Route::new("GET /calls/a/{token}/ended");
        assert_eq!(route.parameter("/calls/a/b/ended"), Some("b"));
        for path in ["/calls/a/b", "/calls/a/ended", "/calls/a/b/ended/"] {
            assert!(!route.matches(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn a_parameter_takes_the_rest_of_the_path() {
        let route = Route::new("GET /calls/a/{token}");
        for (path, parameter) in [
            ("/calls/a/b", Some("b")),
            ("/calls/a/b/c", Some("b/c")),
            ("/calls/a/", Some("")),
            ("/calls/a", None),
            ("/calls/b/c", None),
        ] {
            assert_eq!(route.matches(&Method::GET, path), parameter.is_some(), "{path}");
            assert_eq!(route.parameter(path), parameter);
            assert!(!route.matches(&Method::POST, path));
        }
    }
}
