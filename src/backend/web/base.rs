//! Where a server is, and what every request to it says.

use reqwest::{
    Client, Method, Request, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};

use super::error::Failure;

/// The URL that those of all requests begin with, and the headers that all of them have.
pub(super) struct Base {
    url: Url,
    headers: HeaderMap,
}

impl Base {
    /// Takes `http://` and `https://` with a host. A user name and a password become the header `Authorization`, unless
    /// there is one among `headers`; a query and a fragment are refused.
    pub(super) fn new(client: &Client, url: Url, headers: HeaderMap) -> Result<Self, Failure> {
        // The client moves the login from the URL to a header.
        let request =
            client.get(url).build().map_err(|_| Failure::setting("a URL that cannot be asked for"))?;
        let url = request.url().clone();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::setting("a user name or a password that is not UTF-8"));
        }
        let mut base = Self { url, headers };
        if let Some(login) = request.headers().get(AUTHORIZATION) {
            base.headers.entry(AUTHORIZATION).or_insert_with(|| login.clone());
        }
        Ok(base)
    }

    /// A request without a body, to the base's path and these further segments.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> Request {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.headers.clone();
        request
    }

    pub(super) fn server(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// A URL for a [`Base`]. It is not echoed.
pub(crate) fn parse(text: &str) -> Result<Url, Failure> {
    let refused = || Failure::setting("not an http:// or https:// URL");
    let url = Url::parse(text).map_err(|_| refused())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Failure::setting("a URL with a query or a fragment"));
    }
    Ok(url)
}

/// A header whose value is shown nowhere, and kept out of HTTP/2's tables.
pub(super) fn secret(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let name =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| Failure::setting("no name of a header"))?;
    let value = HeaderValue::from_str(value);
    let mut value = value.map_err(|_| Failure::setting("no value of a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::web::pool::tests::client;

    fn base(url: &str) -> Base {
        Base::new(&client(), parse(url).unwrap(), HeaderMap::new()).unwrap()
    }

    fn url(base: &str, path: &[&str]) -> String {
        self::base(base).request(Method::GET, path).url().as_str().to_owned()
    }

    #[test]
    fn path_follows_that_of_the_base() {
        for root in ["http://h.example:8080", "http://h.example:8080/"] {
            assert_eq!(url(root, &["cache", "a:b1.c"]), "http://h.example:8080/cache/a:b1.c");
        }
        for deep in ["https://h.example/some/path", "https://h.example/some/path/"] {
            assert_eq!(url(deep, &["a/b", "?#%"]), "https://h.example/some/path/a%2Fb/%3F%23%25");
        }
    }

    #[test]
    fn login_of_the_url_becomes_a_secret_header() {
        let base = base("https://u%20ser:p%3Aw@h.example/x");
        let request = base.request(Method::PUT, &[]);
        assert_eq!(request.url().as_str(), "https://h.example/x");
        let login = &request.headers()[AUTHORIZATION];
        assert_eq!(login, "Basic dSBzZXI6cDp3");
        assert!(login.is_sensitive());
        let mut headers = HeaderMap::new();
        headers
            .extend([secret("authorization", "Bearer t").map(|(name, value)| (Some(name), value)).unwrap()]);
        let base = Base::new(&client(), parse("http://u:p@h.example").unwrap(), headers).unwrap();
        assert_eq!(base.request(Method::GET, &[]).headers()[AUTHORIZATION], "Bearer t");
    }

    #[test]
    fn what_cannot_be_a_base_is_refused() {
        for text in [
            "",
            "hunter2",
            "/hunter2",
            "ftp://hunter2",
            "http:",
            "data:hunter2",
            "http://h/?hunter2",
            "http://h/#x",
        ] {
            let failure = parse(text).err().unwrap();
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
        let url = parse("http://%ff:hunter2@h/").unwrap();
        assert!(Base::new(&client(), url, HeaderMap::new()).is_err());
    }

    #[test]
    fn secret_is_not_shown() {
        let (_, value) = secret("X-Token", "hunter2").unwrap();
        assert!(!format!("{value:?}").contains("hunter2"));
        assert!(secret("a b", "x").is_err());
        assert!(secret("a", "x\ny").is_err());
    }
}
