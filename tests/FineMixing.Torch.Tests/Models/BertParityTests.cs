using FineMixing.FineTuning;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.Models;

/// <summary>Both forward passes and the optimiser against another implementation; the allowed differences are ten times its own rounding.</summary>
public class BertParityTests
{
    private const double Logits = 8e-6;
    private const double Gradients = 1.5e-5;
    private const double Losses = 6e-6;
    private const double Weights = 1e-4;

    [Theory]
    [MemberData(nameof(OracleModel.Names), MemberType = typeof(OracleModel))]
    public void Module_ReferenceBatch_GivesReferenceOutputsAndGradients(string name)
    {
        var oracle = OracleModel.Open(name);
        using var scope = NewDisposeScope();
        using var module = new BertForSequenceClassification(oracle.Config);
        Assert.Equal(oracle.Weights.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), module.named_parameters().Select(p => p.name).Order(StringComparer.Ordinal));
        using (no_grad())
        {
            foreach (var (parameter, value) in module.named_parameters())
                value.copy_(tensor(oracle.Weights[parameter].ToFloat32()).view(value.shape));
        }

        module.eval();
        var output = module.forward(oracle.LongTensor("input.input_ids"), oracle.LongTensor("input.attention_mask"), TypeIds(oracle));
        AssertClose(oracle.Reference["output.logits"].ToFloat32(), output.Logits, Logits);
        for (var i = 0; i <= oracle.Config.Layers; i++)
            AssertClose(oracle.Reference[$"output.hidden_states.{i}"].ToFloat32(), output.HiddenStates[i], Logits);
        var loss = nn.functional.cross_entropy(output.Logits, oracle.LongTensor("input.labels"));
        Assert.InRange(Math.Abs(loss.item<float>() - oracle.Reference["output.loss"].ToFloat32()[0]), 0, Losses);
        loss.backward();
        foreach (var (parameter, value) in module.named_parameters())
            AssertGradient(oracle, parameter, value.grad!.contiguous().data<float>().ToArray());
    }

    [Theory]
    [MemberData(nameof(OracleModel.Names), MemberType = typeof(OracleModel))]
    public void FastBert_ReferenceBatch_GivesReferenceOutputsAndGradients(string name) => AssertFastBert(name, dropout: null);

    // Noise of probability 1e-9 drops nothing, but takes the path of noisy training, whose attention is another.
    [Theory]
    [MemberData(nameof(OracleModel.Names), MemberType = typeof(OracleModel))]
    public void FastBert_WithDropoutThatDropsNothing_GivesReferenceOutputsAndGradients(string name) => AssertFastBert(name, new DropoutSource(1, 1e-9));

    private static void AssertFastBert(string name, DropoutSource? dropout)
    {
        var oracle = OracleModel.Open(name);
        using var scope = NewDisposeScope();
        using var store = ParameterStore.Load(oracle.Config, oracle.Weights, CPU, lowPrecision: false, trainable: true);
        using var update = new TensorAdamW(store);
        var inputs = oracle.Inputs();
        var words = update.Gather(inputs);
        var batch = new DeviceBatch(inputs, oracle.Config.PadTokenId, words.RowOf, CPU, lowPrecision: false);
        var trace = new ForwardTrace();
        AssertClose(oracle.Reference["output.logits"].ToFloat32(), FastBert.Logits(store, batch, words.Leaf, dropout, trace), Logits);
        Assert.Equal(oracle.Config.Layers + 1, trace.HiddenStates.Count);
        var logits = FastBert.Logits(store, batch, words.Leaf, dropout);
        AssertClose(oracle.Reference["output.logits"].ToFloat32(), logits, Logits);

        var loss = TrainingLoop.Backward(store, inputs, words, dropout, step: 0, tokensPerPass: 100_000).item<float>();
        Assert.InRange(Math.Abs(loss - oracle.Reference["output.loss"].ToFloat32()[0]), 0, Losses);
        foreach (var block in store.Blocks)
        {
            var gradient = block.Leaf.grad!.contiguous().data<float>().ToArray();
            var at = 0;
            foreach (var (part, shape) in block.Parts)
            {
                var count = (int)shape.Aggregate(1L, (a, b) => a * b);
                AssertGradient(oracle, part, gradient.AsSpan(at, count));
                at += count;
            }
        }
    }

    [Theory]
    [MemberData(nameof(OracleModel.Names), MemberType = typeof(OracleModel))]
    public void CpuAdamW_ReferenceRun_GivesReferenceLossesAndWeights(string name) =>
        AssertRun(name, store => new CpuAdamW(store, threads: 2), tokensPerPass: 100_000);

    [Theory]
    [MemberData(nameof(OracleModel.Names), MemberType = typeof(OracleModel))]
    public void TensorAdamW_ReferenceRun_GivesReferenceLossesAndWeights(string name) =>
        AssertRun(name, store => new TensorAdamW(store), tokensPerPass: 100_000);

    [Fact]
    public void CpuAdamW_ReferenceRunInParts_GivesReferenceLossesAndWeights() =>
        AssertRun("bert", store => new CpuAdamW(store, threads: 1), tokensPerPass: 40);

    private static void AssertRun(string name, Func<ParameterStore, IParameterUpdate> create, int tokensPerPass)
    {
        var oracle = OracleModel.Open(name);
        using var store = ParameterStore.Load(oracle.Config, oracle.Weights, CPU, lowPrecision: false, trainable: true);
        using var update = create(store);
        var inputs = oracle.Inputs();
        for (var step = 0; step < oracle.Run.GetProperty("steps").GetInt32(); step++)
        {
            using var scope = NewDisposeScope();
            var words = update.Gather(inputs);
            var loss = TrainingLoop.Backward(store, inputs, words, dropout: null, step, tokensPerPass).item<float>();
            var norm = update.Step(words, oracle.Run.GetProperty("learning_rates")[step].GetDouble(), 0.01, 1.0).item<double>();
            Assert.InRange(Math.Abs(loss - oracle.Run.GetProperty("losses")[step].GetDouble()), 0, Losses);
            Assert.InRange(norm / oracle.Run.GetProperty("gradient_norms")[step].GetDouble(), 1 - 1e-4, 1 + 1e-4);
        }

        update.Finish();
        var saved = store.Save();
        foreach (var info in saved.Tensors.Where(t => !t.Name.EndsWith(".key.bias", StringComparison.Ordinal)))
        {
            var expected = oracle.Reference["after_adamw." + info.Name].ToFloat32();
            Assert.True(OracleModel.MaxDifference(expected, saved[info.Name].ToFloat32()) <= Weights, info.Name);
        }
    }

    private static Tensor TypeIds(OracleModel oracle) => oracle.Reference.TryGetTensor("input.token_type_ids", out _)
        ? oracle.LongTensor("input.token_type_ids")
        : zeros(oracle.Shape("input.input_ids"), dtype: int64);

    private static void AssertGradient(OracleModel oracle, string parameter, ReadOnlySpan<float> actual)
    {
        var expected = oracle.Reference["gradient." + parameter].ToFloat32();
        var scale = expected.Max(Math.Abs);
        if (!parameter.EndsWith(".key.bias", StringComparison.Ordinal))
            Assert.True(OracleModel.MaxDifference(expected, actual) <= Gradients * scale, parameter);
    }

    // Padded positions of hidden states are compared too: the reference computes them the same way.
    private static void AssertClose(float[] expected, Tensor actual, double tolerance) =>
        Assert.InRange(OracleModel.MaxDifference(expected, actual.contiguous().data<float>().ToArray()), 0, tolerance);
}
