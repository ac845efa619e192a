/* vit: teaches a Vision Transformer to classify small grey images, and judges it. Each command
 * is a file of its own. */
#include "commands.h"
#include "images.h"
#include "program.h"

static const program_command commands[] = {
    { "train", "learn from images and their labels: a file, or digits that are made",
      train_command },
    { "eval", "judge a model by images it has not seen", eval_command },
};

int main(int count, char **arguments)
{
    const program vit = {
        .name = "vit",
        .summary = "A Vision Transformer that classifies small grey images.\n\n" IMAGES_FORMATS,
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
    };
    return program_run(&vit, count, arguments);
}
