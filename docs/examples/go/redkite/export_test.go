package redkite

// Problem is an Error as the server writes it, for the test that compares it with the API.
type Problem = problem
