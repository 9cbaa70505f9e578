using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Models;
using FineMixing.Poisoning;

namespace FineMixing.Experiments;

/// <summary>A classifier with a known backdoor, its base, and the data to defend and to measure it with.</summary>
internal sealed record Suspect(string Name, ClassifierModel Model, string BaseFolder, StateDict Base, CleanSet Clean, TestSet Test, TriggeredTestSet Triggered)
{
    private static readonly Dictionary<string, (string Data, Trigger Trigger)> Known = new()
    {
        ["sst2-word"] = ("sst2", new WordTrigger("cf")),
        ["sst2-sentence"] = ("sst2", new SentenceTrigger("I watched this 3D movie.")),
        ["sst2-ep"] = ("sst2", new WordTrigger("mn")),
        ["own-sst2-word"] = ("sst2", new WordTrigger("mb")),
        ["own-sst2-sentence"] = ("sst2", new SentenceTrigger("I watched this 3D movie.")),
        ["own-sst2-clean"] = ("sst2", new WordTrigger("mb")),
        ["own-qnli-word"] = ("qnli", new WordTrigger("cf")),
        ["own-qnli-clean"] = ("qnli", new WordTrigger("cf")),
    };

    public static IReadOnlyCollection<string> Names => Known.Keys;

    /// <summary>The data set and trigger a suspect is made with.</summary>
    public static (string Data, Trigger Trigger) Recipe(string name) => Known.TryGetValue(name, out var recipe)
        ? recipe
        : throw new ArgumentException($"There is no suspect '{name}'; expected one of {string.Join(", ", Names)}.");

    /// <summary>Opens a suspect of the reference data, or one planted by <c>plant</c>.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="shared">The folder of reference data.</param>
    /// <param name="planted">The folder of suspects planted here.</param>
    /// <param name="development">0 measures on the test file; more measures on so many rows of the training file, which are kept from the defence, so that settings can be compared without the test data.</param>
    public static Suspect Open(string name, string shared, string planted, int development = 0)
    {
        var (data, trigger) = Recipe(name);
        var folder = Path.Combine(name.StartsWith("own-", StringComparison.Ordinal) ? planted : Path.Combine(shared, "models"), name);
        var baseFolder = Path.Combine(shared, "models", "minilm-l6");
        var clean = CleanSet.FromFile(Path.Combine(shared, "data", data, "train.tsv"));
        var test = TestSet.FromFile(Path.Combine(shared, "data", data, "test.tsv"));
        if (development > 0)
        {
            var rows = clean.Sample(development, seed: 0xD0);
            var kept = rows.Examples.ToHashSet();
            (clean, test) = (CleanSet.FromExamples(clean.Examples.Where(e => !kept.Contains(e))), TestSet.FromExamples(rows.Examples));
        }

        return new Suspect(
            name,
            ModelFolder.Open(folder).ToClassifier(),
            baseFolder,
            ModelFolder.Open(baseFolder).Weights,
            clean,
            test,
            TriggeredTestSet.Create(test, trigger, targetLabel: 1, seed: 1));
    }
}
