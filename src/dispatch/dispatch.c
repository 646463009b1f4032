#include "dispatch/dispatch.h"
