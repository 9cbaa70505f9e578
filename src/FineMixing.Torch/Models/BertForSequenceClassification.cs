using FineMixing.Models;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace FineMixing.Torch.Models;

/// <summary>What a forward pass returns.</summary>
/// <param name="Logits">Scores before softmax, [batch, labels].</param>
/// <param name="HiddenStates">The embeddings and the output of each layer, each [batch, tokens, hidden].</param>
public sealed record BertOutput(Tensor Logits, IReadOnlyList<Tensor> HiddenStates);

/// <summary>
/// BERT with a classification head, written as a textbook would; parameter names equal those of Hugging Face checkpoints.
/// </summary>
/// <remarks>
/// Devlin et al. 2019, arXiv 1810.04805. This is the simple version that <see cref="FastBert"/> must equal, and the one to use from
/// other TorchSharp code. Training and evaluation in FineMixing run through the fast path.
/// </remarks>
public sealed class BertForSequenceClassification : Module<Tensor, Tensor, Tensor, BertOutput>
{
    [ComponentName(Name = "bert")]
    private readonly BertEncoder _bert;
    [ComponentName(Name = "dropout")]
    private readonly Dropout _dropout;
    [ComponentName(Name = "classifier")]
    private readonly Linear _classifier;

    /// <summary>Builds the module with newly initialised weights.</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="device">Where the weights live; <c>meta</c> needs no memory.</param>
    public BertForSequenceClassification(ModelConfig config, Device? device = null)
        : base(nameof(BertForSequenceClassification))
    {
        ArgumentNullException.ThrowIfNull(config);
        Native.TorchRuntime.EnsureLoaded();
        _bert = new BertEncoder(config, device);
        _dropout = Dropout(config.ClassifierDropout);
        _classifier = Linear(config.HiddenSize, config.LabelCount, device: device);
        RegisterComponents();
    }

    /// <summary>Runs the model.</summary>
    /// <param name="inputIds">Token ids, int64 [batch, tokens].</param>
    /// <param name="attentionMask">1 for tokens, 0 for padding, int64 [batch, tokens].</param>
    /// <param name="tokenTypeIds">Segments, int64 [batch, tokens].</param>
    public override BertOutput forward(Tensor inputIds, Tensor attentionMask, Tensor tokenTypeIds)
    {
        var (states, pooled) = _bert.forward(inputIds, attentionMask, tokenTypeIds);
        return new BertOutput(_classifier.forward(_dropout.forward(pooled)), states);
    }

    private sealed class BertEncoder : Module<Tensor, Tensor, Tensor, (IReadOnlyList<Tensor>, Tensor)>
    {
        [ComponentName(Name = "embeddings")]
        private readonly Embeddings _embeddings;
        [ComponentName(Name = "encoder")]
        private readonly LayerStack _encoder;
        [ComponentName(Name = "pooler")]
        private readonly Pooler _pooler;

        public BertEncoder(ModelConfig config, Device? device)
            : base(nameof(BertEncoder))
        {
            _embeddings = new Embeddings(config, device);
            _encoder = new LayerStack(config, device);
            _pooler = new Pooler(config, device);
            RegisterComponents();
        }

        public override (IReadOnlyList<Tensor>, Tensor) forward(Tensor ids, Tensor mask, Tensor types)
        {
            // Padding gets the lowest score there is, so that softmax gives it no weight.
            var bias = (1.0f - mask.to(float32)).mul(float.MinValue).unsqueeze(1).unsqueeze(1);
            var states = new List<Tensor> { _embeddings.forward(ids, types) };
            foreach (var layer in _encoder.Layers)
                states.Add(layer.forward(states[^1], bias));
            return (states, _pooler.forward(states[^1]));
        }
    }

    private sealed class Embeddings : Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "word_embeddings")]
        private readonly Embedding _words;
        [ComponentName(Name = "position_embeddings")]
        private readonly Embedding _positions;
        [ComponentName(Name = "token_type_embeddings")]
        private readonly Embedding _types;
        [ComponentName(Name = "LayerNorm")]
        private readonly LayerNorm _norm;
        [ComponentName(Name = "dropout")]
        private readonly Dropout _dropout;

        public Embeddings(ModelConfig config, Device? device)
            : base(nameof(Embeddings))
        {
            _words = Embedding(config.VocabularySize, config.HiddenSize, padding_idx: config.PadTokenId, device: device);
            _positions = Embedding(config.MaxPositions, config.HiddenSize, device: device);
            _types = Embedding(config.TypeVocabularySize, config.HiddenSize, device: device);
            _norm = LayerNorm(config.HiddenSize, config.LayerNormEpsilon, device: device);
            _dropout = Dropout(config.HiddenDropout);
            RegisterComponents();
        }

        public override Tensor forward(Tensor ids, Tensor types)
        {
            var positions = arange(ids.shape[1], dtype: int64, device: ids.device);
            var sum = _words.forward(ids) + _types.forward(types) + _positions.forward(positions);
            return _dropout.forward(_norm.forward(sum));
        }
    }

    private sealed class LayerStack : Module
    {
        [ComponentName(Name = "layer")]
        private readonly ModuleList<Layer> _layers;

        public LayerStack(ModelConfig config, Device? device)
            : base(nameof(LayerStack))
        {
            _layers = ModuleList([.. Enumerable.Range(0, config.Layers).Select(_ => new Layer(config, device))]);
            RegisterComponents();
        }

        public IEnumerable<Layer> Layers => _layers;
    }

    private sealed class Layer : Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "attention")]
        private readonly Attention _attention;
        [ComponentName(Name = "intermediate")]
        private readonly Intermediate _intermediate;
        [ComponentName(Name = "output")]
        private readonly ResidualOutput _output;

        public Layer(ModelConfig config, Device? device)
            : base(nameof(Layer))
        {
            _attention = new Attention(config, device);
            _intermediate = new Intermediate(config, device);
            _output = new ResidualOutput(config.IntermediateSize, config, device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor bias)
        {
            var attended = _attention.forward(x, bias);
            return _output.forward(_intermediate.forward(attended), attended);
        }
    }

    private sealed class Attention : Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "self")]
        private readonly SelfAttention _self;
        [ComponentName(Name = "output")]
        private readonly ResidualOutput _output;

        public Attention(ModelConfig config, Device? device)
            : base(nameof(Attention))
        {
            _self = new SelfAttention(config, device);
            _output = new ResidualOutput(config.HiddenSize, config, device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor bias) => _output.forward(_self.forward(x, bias), x);
    }

    private sealed class SelfAttention : Module<Tensor, Tensor, Tensor>
    {
        private readonly int _heads;
        private readonly int _headSize;
        [ComponentName(Name = "query")]
        private readonly Linear _query;
        [ComponentName(Name = "key")]
        private readonly Linear _key;
        [ComponentName(Name = "value")]
        private readonly Linear _value;
        [ComponentName(Name = "dropout")]
        private readonly Dropout _dropout;

        public SelfAttention(ModelConfig config, Device? device)
            : base(nameof(SelfAttention))
        {
            (_heads, _headSize) = (config.Heads, config.HeadSize);
            _query = Linear(config.HiddenSize, config.HiddenSize, device: device);
            _key = Linear(config.HiddenSize, config.HiddenSize, device: device);
            _value = Linear(config.HiddenSize, config.HiddenSize, device: device);
            _dropout = Dropout(config.AttentionDropout);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor bias)
        {
            var (query, key, value) = (Heads(_query.forward(x)), Heads(_key.forward(x)), Heads(_value.forward(x)));
            var scores = query.matmul(key.transpose(-1, -2)) / Math.Sqrt(_headSize) + bias;
            var weights = _dropout.forward(functional.softmax(scores, -1));
            return weights.matmul(value).transpose(1, 2).reshape(x.shape);
        }

        private Tensor Heads(Tensor x) => x.view(x.shape[0], x.shape[1], _heads, _headSize).transpose(1, 2);
    }

    private sealed class Intermediate : Module<Tensor, Tensor>
    {
        private readonly string _activation;
        [ComponentName(Name = "dense")]
        private readonly Linear _dense;

        public Intermediate(ModelConfig config, Device? device)
            : base(nameof(Intermediate))
        {
            _activation = config.Activation;
            _dense = Linear(config.HiddenSize, config.IntermediateSize, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => Activations.Apply(_activation, _dense.forward(x));
    }

    private sealed class ResidualOutput : Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "dense")]
        private readonly Linear _dense;
        [ComponentName(Name = "LayerNorm")]
        private readonly LayerNorm _norm;
        [ComponentName(Name = "dropout")]
        private readonly Dropout _dropout;

        public ResidualOutput(int inputs, ModelConfig config, Device? device)
            : base(nameof(ResidualOutput))
        {
            _dense = Linear(inputs, config.HiddenSize, device: device);
            _norm = LayerNorm(config.HiddenSize, config.LayerNormEpsilon, device: device);
            _dropout = Dropout(config.HiddenDropout);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor residual) => _norm.forward(_dropout.forward(_dense.forward(x)) + residual);
    }

    private sealed class Pooler : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "dense")]
        private readonly Linear _dense;

        public Pooler(ModelConfig config, Device? device)
            : base(nameof(Pooler))
        {
            _dense = Linear(config.HiddenSize, config.HiddenSize, device: device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor states) => _dense.forward(states.select(1, 0)).tanh();
    }
}
