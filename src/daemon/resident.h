#pragma once

/*
 * Letting go of memory that only the start needed.
 */

/* Gives back to the kernel what a start touches and a running daemon does not: the free end of the
 * heap, and the pages of code and constants of the program and its libraries. Those are the page
 * cache's anyway, and what is used again is mapped again. To be called once, when all is up. */
void resident_trim(void);
