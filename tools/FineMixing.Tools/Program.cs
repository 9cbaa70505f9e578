using System.CommandLine;
using FineMixing.Tools;
using FineMixing.Tools.EmbeddedModel;

// Commands that make the data files and the embedded model of this repository; each is run rarely and its output is committed.
var root = new RootCommand("Makes the data files and the embedded model of the FineMixing repository.")
{
    FrequenciesCommand.Create(),
    DecompositionsCommand.Create(),
    DistillCommand.Create(),
};
return root.Parse(args).Invoke();
