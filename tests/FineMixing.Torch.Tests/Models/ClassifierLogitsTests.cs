using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Tests;
using FineMixing.Torch.Evaluation;

namespace FineMixing.Torch.Tests.Models;

/// <summary>Real classifiers, from folder to logits.</summary>
public class ClassifierLogitsTests
{
    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    public void Logits_RealClassifier_EqualReference(string name)
    {
        var model = ModelFolder.Open(SharedData.Path("models", name)).ToClassifier();
        var test = TestSet.FromFile(SharedData.Path("data", "sst2", "test.tsv"));
        using var reference = Checkpoint.Open(SharedData.Path("oracle", "classifier-logits.safetensors"));
        var expected = StateDict.Load(reference)[name + ".logits"].ToFloat32();
        var actual = new TorchPredictor().Logits(model, [.. test.Examples.Take(64)], new PredictionOptions { Precision = Precision.Float32 }).SelectMany(l => l).ToArray();

        // Logits of a real model are of size 3, those of the tiny models the stated rounding was measured on below 1.
        TestContext.Current.TestOutputHelper?.WriteLine($"largest difference {OracleModel.MaxDifference(expected, actual)}");
        Assert.InRange(OracleModel.MaxDifference(expected, actual), 0, 5e-5);
    }

    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    public void Accuracy_AllTestSentences_EqualsReferenceCount(string name)
    {
        var json = System.Text.Json.JsonDocument.Parse(File.ReadAllText(SharedData.Path("oracle", "classifier-logits.json"))).RootElement;
        var model = ModelFolder.Open(SharedData.Path("models", name)).ToClassifier();
        var test = TestSet.FromFile(SharedData.Path("data", "sst2", "test.tsv"));
        int Correct(Precision precision) => ConfusionMatrix.Create(test.Examples, Predictions.FromLogits(new TorchPredictor().Logits(model, test.Examples, new PredictionOptions { Precision = precision })), 2).Accuracy.Successes;
        Assert.Contains(Correct(Precision.Float32).ToString(System.Globalization.CultureInfo.InvariantCulture), json.GetProperty(name).GetRawText());
        Assert.InRange(Correct(Precision.Auto), Correct(Precision.Float32) - 6, Correct(Precision.Float32) + 6);
    }
}
