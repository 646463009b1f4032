#include "util/escape.h"
