/* What the record costs: how many ops, how many of them one after the other, how much
 * arithmetic and memory. Reads the tape, changes nothing. */
#include "engine.h"

heed_work heed_tape_work(const heed_tape *t)
{
    heed_work w = { 0 };
    for (const heed__record *r = t ? t->last : NULL; r; r = r->previous) {
        const heed_op *op = r->call.op;
        if (r->consumed || !op->run)
            continue;
        double elements = (double)heed_size(r->y);
        w.ops++;
        w.depth = r->depth > w.depth ? r->depth : w.depth;
        w.arithmetic += op->arithmetic ? op->arithmetic(&r->call, r->y) : elements;
        w.bytes += elements * (double)heed_dtype_size(r->y->dtype);
    }
    return w;
}
