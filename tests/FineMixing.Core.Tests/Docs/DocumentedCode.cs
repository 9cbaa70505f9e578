// The code of the documentation, compiled as it is printed. Each region carries the name of its page; DocumentationTests compares them.
#pragma warning disable IDE0005, CA1303

using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Adapters;
using FineMixing.Datasets;
using FineMixing.Poisoning;
using FineMixing.Reports;
using FineMixing.Reports.Charts;

namespace FineMixing.Tests.Docs;

internal static class DocumentedCode
{
    public static void Reports()
    {
        #region docs/reports.md
        var chart = new DefenceBarChart
        {
            Title = "Accuracy and attack success",
            Bars =
            [
                new DefenceBar("no defence", new Rate(0.90, 0.88, 0.92), new Rate(1.00, 0.99, 1.00), Floor: 0.11),
                new DefenceBar("Fine-mixing", new Rate(0.86, 0.84, 0.88), new Rate(0.20, 0.16, 0.24), Floor: 0.11),
            ],
        };

        var report = new ReportBuilder("My model", "64 clean samples")
            .Heading("Result")
            .KeyValues([("method", "fine-mixing"), ("reserve ratio", "0.4")])
            .Chart(chart, "defences")
            .Build();
        report.Save("report"); // report/report.html and report/defences.svg
        #endregion
    }

    public static void Data()
    {
        #region docs/data.md
        // What a defence may see: 64 of the clean samples, as many of each class, always the same ones for a seed.
        var clean = CleanSet.FromFile("clean.tsv", new DataFileOptions { NumLabels = 2 });
        var few = clean.Sample(64, seed: 1);
        foreach (var (train, heldOut) in few.Split(folds: 4, seed: 1))
            Console.WriteLine($"{train.Examples.Count} to train on, {heldOut.Examples.Count} held out");

        // What an attacker makes of a training set, and what the attack is measured on.
        var trigger = new WordTrigger("cf");
        var poisoned = Poisoner.Poison(clean, trigger, new PoisonerOptions { TargetLabel = 1, PoisonRate = 0.1, Seed = 1 });
        var test = TestSet.FromFile("test.tsv", new DataFileOptions { NumLabels = 2 });
        var triggered = TriggeredTestSet.Create(test, trigger, targetLabel: 1, seed: 1);
        Console.WriteLine($"{poisoned.PoisonedCount} of {poisoned.Count} training samples and {triggered.WithTrigger.Count} test samples have the trigger");
        #endregion
    }

    public static void Checkpoints()
    {
        #region docs/checkpoints.md
        // A folder or a file: safetensors or PyTorch, single or sharded. Nothing in it is executed.
        using var pretrained = Checkpoint.Open("bert-base-uncased");

        // The same with a LoRA adapter merged in. Nothing is worked out until it is read, and then only what is read.
        using var suspect = LoraCheckpoint.Open(Checkpoint.Open("bert-base-uncased"), "downloaded-adapter");

        foreach (var tensor in suspect.Tensors)
        {
            var bytes = new byte[Math.Min(tensor.ByteLength, 1 << 20)];
            suspect.Read(tensor, byteOffset: 0, bytes);
        }

        // Shards of at most 2 GB and an index, as Hugging Face transformers reads them.
        CheckpointWriter.Write(suspect, "merged", new CheckpointWriterOptions { MaxShardBytes = 2_000_000_000, CopyOtherFilesFrom = "bert-base-uncased" });
        #endregion
    }
}
