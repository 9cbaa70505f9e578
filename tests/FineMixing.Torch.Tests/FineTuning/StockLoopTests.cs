using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;
using FineMixing.Torch.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace FineMixing.Torch.Tests.FineTuning;

/// <summary>The fast loop against what a TorchSharp user would write: the textbook module, dense gradients, stock AdamW.</summary>
public class StockLoopTests
{
    private const int Steps = 20;
    private const double LearningRate = 1e-4;

    [Fact]
    public void Step_SinglePrecision_GivesTheLossesOfTheStockLoop()
    {
        using var tiny = new TinyModel();
        using var threads = TorchThreads.Use(1);
        var inputs = TorchFineTuner.Inputs(tiny.Start, TinyModel.Examples(64, 1), new());
        var batches = Enumerable.Range(0, Steps).Select(s => Enumerable.Range(0, 8).Select(i => inputs[((s * 5) + (i * 3)) % 64]).ToArray()).ToList();
        var (fast, stock) = (Fast(tiny, batches), Stock(tiny, batches, _ => LearningRate, 0.01, 1, out _));
        Assert.All(fast.Zip(stock), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-6));
        Assert.NotEqual(stock[0], stock[8]);
    }

    [Theory]
    [InlineData(0.25, 0.5, 0.3, 8)]
    [InlineData(0, 0, 0, 32)]
    public void FineTune_AnyOptions_FollowsTheStockLoop(double warmUp, double decay, double clip, int maxLength)
    {
        using var tiny = new TinyModel();
        var options = new FineTuningOptions { Epochs = 6, BatchSize = 8, LearningRate = 2e-3, WarmUp = warmUp, WeightDecay = decay, GradientClip = clip, MaxLength = maxLength, Dropout = 0, Threads = 1, Precision = Precision.Float32 };
        var examples = TinyModel.Examples(41, 1);
        var losses = new List<double>();
        var tuned = new TorchFineTuner().FineTune(tiny.Start, CleanSet.FromExamples(examples), options, null, new Reporter<TrainingProgress>(p => losses.Add(p.Loss))).Model.Weights;

        var encodings = tiny.Start.Tokenizer.EncodeAll(examples, maxLength);
        var inputs = examples.Select((e, i) => new ModelInput(encodings[i], e.Label == 1 ? [0, 1] : [1, 0])).ToArray();
        var lengths = encodings.Select(e => e.Length).ToArray();
        var batches = Enumerable.Range(0, options.Epochs).SelectMany(epoch => BatchPlan.Epoch(lengths, options.BatchSize, options.Seed, epoch)).Select(b => Array.ConvertAll(b, i => inputs[i])).ToList();
        var rising = (int)(batches.Count * warmUp);
        var stock = Stock(tiny, batches, step => 2e-3 * (step < rising ? (step + 1.0) / rising : (double)(batches.Count - step) / (batches.Count - rising)), decay, clip, out var expected);
        Assert.Equal(stock.Count, losses.Count);
        Assert.All(stock.Zip(losses), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 5e-6));

        // Softmax does not see a key's bias: what moves it is rounding alone.
        Assert.All(tuned.Tensors.Where(t => !t.Name.EndsWith("key.bias", StringComparison.Ordinal)), t =>
            Assert.All(tuned[t.Name].ToFloat32().Zip(expected[t.Name]), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 2e-5)));
    }

    private static List<double> Fast(TinyModel tiny, List<ModelInput[]> batches)
    {
        using var store = ParameterStore.Load(tiny.Start.Config, tiny.Start.Weights, CPU, lowPrecision: false, trainable: true);
        using var update = new CpuAdamW(store, threads: 1);
        var losses = new List<double>();
        foreach (var inputs in batches)
        {
            using var scope = NewDisposeScope();
            var words = update.Gather(inputs);
            losses.Add(TrainingLoop.Backward(store, inputs, words, dropout: null, losses.Count, tokensPerPass: 100_000).item<float>());
            update.Step(words, LearningRate, 0.01, 1);
        }

        return losses;
    }

    private static List<double> Stock(TinyModel tiny, List<ModelInput[]> batches, Func<int, double> learningRate, double decay, double clip, out Dictionary<string, float[]> weights)
    {
        using var outer = NewDisposeScope();
        using var module = new BertForSequenceClassification(tiny.Start.Config);
        using (no_grad())
        {
            foreach (var (name, value) in module.named_parameters())
                value.copy_(tensor(tiny.Start.Weights[name].ToFloat32()).view(value.shape));
        }

        module.eval();
        using var optimizer = optim.AdamW(
            [
                new AdamW.ParamGroup(module.parameters().Where(p => p.dim() > 1), LearningRate, weight_decay: decay),
                new AdamW.ParamGroup(module.parameters().Where(p => p.dim() == 1), LearningRate, weight_decay: 0),
            ],
            LearningRate);
        var losses = new List<double>();
        foreach (var inputs in batches)
        {
            using var scope = NewDisposeScope();
            var length = inputs.Max(i => i.Encoding.Length);
            Tensor Padded(Func<ModelInput, IEnumerable<long>> values) => tensor(inputs.SelectMany(i => values(i).Concat(Enumerable.Repeat(0L, length)).Take(length)).ToArray(), [inputs.Length, length]);
            var ids = Padded(i => i.Encoding.Ids.Select(id => (long)id));
            var mask = Padded(i => i.Encoding.Ids.Select(_ => 1L));
            foreach (var group in optimizer.ParamGroups)
                group.LearningRate = learningRate(losses.Count);
            optimizer.zero_grad();
            var logits = module.forward(ids, mask, zeros_like(ids)).Logits;
            var loss = nn.functional.cross_entropy(logits, tensor(inputs.Select(i => (long)Array.IndexOf(i.Target, 1f)).ToArray()));
            loss.backward();
            if (clip > 0)
                nn.utils.clip_grad_norm_(module.parameters(), clip);
            optimizer.step();
            losses.Add(loss.item<float>());
        }

        weights = module.named_parameters().ToDictionary(p => p.name, p => p.parameter.contiguous().data<float>().ToArray());
        return losses;
    }
}
