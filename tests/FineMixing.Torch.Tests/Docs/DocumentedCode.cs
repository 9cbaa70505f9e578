using FineMixing.Datasets;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Torch.Evaluation;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Torch.Tests.Docs;

/// <summary>The code of the documentation, compiled as it is printed.</summary>
internal static class DocumentedCode
{
    public static void Readme()
    {
        #region README.md
        var suspect = ModelFolder.Open("suspect");
        var pretrained = ModelFolder.Open("bert-base-uncased");
        var clean = CleanSet.FromFile("clean.tsv"); // columns: sentence (or text; or sentence1 and sentence2), label

        var tuner = new TorchFineTuner();
        var pipeline = new DefencePipeline(tuner, tuner, new TorchPredictor());
        var result = pipeline.Run(suspect.ToClassifier(), pretrained.Weights, clean, new DefenceOptions { ReserveRatio = 0.4, Seed = 1 });

        ModelFolder.Save(result.Model, "cleaned", tokenizerFrom: "suspect");
        Console.WriteLine($"E-PUR reset {string.Join(' ', result.ResetTokens.Take(10).Select(t => t.Token))} ...");
        #endregion
    }
}
