/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A history to run in place of random ones. Paste the table that mermapctl
 * printed here: lines of `{ thread, 'what', mm, handle, from, pages },`.
 */
static const struct given_step given[] = {
};
