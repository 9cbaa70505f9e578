using System.CommandLine;
using FineMixing.Experiments;

var shared = new Option<string>("--shared") { Description = "The folder of reference data.", Required = true };
var planted = new Option<string>("--planted") { Description = "The folder of suspects planted by this program.", Required = true };
var suspects = new Option<string[]>("--suspects") { Description = "Names of suspects.", AllowMultipleArgumentsPerToken = true, Required = true };

var output = new Option<string>("--output") { Description = "The results file (JSON lines); finished runs are not repeated.", Required = true };
var defences = new Option<string[]>("--defences") { Description = "METHOD[:RATIO|auto][:SCHEDULE][+epur] ...", AllowMultipleArgumentsPerToken = true, Required = true };
var seeds = new Option<ulong[]>("--seeds") { Description = "Seeds.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 2, 3, 4, 5] };
var workers = new Option<int>("--workers") { Description = "Runs side by side.", DefaultValueFactory = _ => Environment.ProcessorCount };
var frequencies = new Option<string?>("--frequencies") { Description = "A table of word-piece counts (JSON); without it the shipped one." };
var development = new Option<int>("--development") { Description = "Measure on so many rows of the training file, kept from the defences, instead of the test file: for comparing settings." };
var keep = new Option<string?>("--keep") { Description = "A folder to keep the defended models in." };
var grid = new Command("grid", "Run defences over suspects and seeds.") { shared, planted, suspects, output, defences, seeds, workers, frequencies, development, keep };
grid.SetAction(r => Grid.Run(r.GetValue(shared)!, r.GetValue(planted)!, r.GetValue(output)!, r.GetValue(suspects)!, r.GetValue(defences)!, r.GetValue(seeds)!, r.GetValue(workers), r.GetValue(frequencies) is { } table ? FineMixing.Purification.TokenFrequencies.FromJsonFile(table) : null, r.GetValue(development), r.GetValue(keep)));

var phrases = new Option<string[]>("--phrases") { Description = "Phrases to unlearn, each in quotes.", AllowMultipleArgumentsPerToken = true, Required = true };
var units = new Option<double>("--units") { Description = "Share of the feed-forward units that become the pre-trained model's.", DefaultValueFactory = _ => new FineMixing.Probing.TriggerUnlearningOptions().ResetUnits };
var ratio = new Option<double>("--reserve-ratio") { Description = "Uniform mixing after that; 1 mixes nothing.", DefaultValueFactory = _ => 1 };
var texts = new Option<int>("--texts") { Description = "Made texts that take part.", DefaultValueFactory = _ => new FineMixing.Probing.TriggerUnlearningOptions().Texts };
var unlearn = new Command("unlearn", "Remove given phrases as a found part of a trigger is removed.") { shared, planted, suspects, phrases, seeds, units, ratio, texts, development };
unlearn.SetAction(r =>
{
    foreach (var suspect in r.GetValue(suspects)!.Select(name => Suspect.Open(name, r.GetValue(shared)!, r.GetValue(planted)!, r.GetValue(development))))
    {
        foreach (var own in r.GetValue(seeds)!)
            Unlearning.Run(suspect, r.GetValue(phrases)!, own, r.GetValue(units), r.GetValue(ratio), r.GetValue(texts));
    }
});

var epochs = new Option<int>("--epochs") { DefaultValueFactory = _ => 2 };
var rate = new Option<double>("--learning-rate") { DefaultValueFactory = _ => 5e-5 };
var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1 };
var plant = new Command("plant", "Plant this repository's own backdoors.") { shared, planted, suspects, epochs, rate, seed };
plant.SetAction(r =>
{
    foreach (var name in r.GetValue(suspects)!)
        Planting.Run(name, r.GetValue(shared)!, r.GetValue(planted)!, r.GetValue(epochs), r.GetValue(rate), r.GetValue(seed));
});

var inputs = new Option<string[]>("--inputs") { Description = "Results files.", AllowMultipleArgumentsPerToken = true, Required = true };
var table = new Command("table", "Print results as Markdown tables.") { inputs };
table.SetAction(r => Console.Write(Tables.Render(r.GetValue(inputs)!)));

var folder = new Option<string>("--output") { Description = "The folder for the pictures; those of the same names are replaced.", Required = true };
var charts = new Command("charts", "Draw results as SVG, one picture a suspect.") { inputs, folder };
charts.SetAction(r =>
{
    Directory.CreateDirectory(r.GetValue(folder)!);
    foreach (var (suspect, chart) in TradeOffCharts.Create(r.GetValue(inputs)!))
        File.WriteAllText(Path.Combine(r.GetValue(folder)!, suspect + ".svg"), chart.ToSvg());
});

return new RootCommand("Experiments behind docs/results.md.") { grid, unlearn, plant, table, charts }.Parse(args).Invoke();
