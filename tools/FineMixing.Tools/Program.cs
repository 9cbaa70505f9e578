using System.CommandLine;
using FineMixing.Tools;

// Commands that make the data files of this repository; each is run rarely and its output is committed.
var root = new RootCommand("Makes the data files of the FineMixing repository.")
{
    FrequenciesCommand.Create(),
    DecompositionsCommand.Create(),
};
return root.Parse(args).Invoke();
