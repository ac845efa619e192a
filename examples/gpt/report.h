/* What gpt train says before and after its work: the run and the machine, and at the end a
 * curve, a sample and what to type next. Knows runs and logs. */
#ifndef GPT_REPORT_H
#define GPT_REPORT_H

#include "log.h"
#include "run.h"

void report_start(const gpt_run *run);

/* What another --steps on resume means for the rate of the steps to come. */
void report_schedule(const gpt_run *run);

/* How to go on. */
void report_interrupt(const gpt_run *run);

/* The end of the run, or of the time that --minutes gave it, after so many steps and
 * seconds. */
void report_end(const gpt_run *run, const gpt_log *log, int64_t steps, double seconds);

#endif
