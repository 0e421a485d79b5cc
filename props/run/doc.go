// Package run runs cases and says what came out. A [Backend] does so for some
// devices; here is the one of this process, for sim and host. The others are
// packages below this one, so that only who imports them needs what they need.
package run
