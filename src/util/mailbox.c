#include "util/mailbox.h"
